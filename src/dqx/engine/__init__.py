"""From checks to one query per dataset to verdicts: expression, metrics, plan, scan, evaluate."""
