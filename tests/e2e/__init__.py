"""A package, so that pytest's package scope ends here: what is installed may differ in what follows."""
