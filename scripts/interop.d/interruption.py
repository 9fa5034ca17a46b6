def check(report): pass
