"""The stack of deploy/ without containers: `make stack`."""
