"""A package, so that pytest's package scope ends here: what follows finds the installed operator at work again."""
