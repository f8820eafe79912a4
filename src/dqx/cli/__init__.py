"""The command line `dqx`: one file for each command, and beside them what the commands are made of."""
