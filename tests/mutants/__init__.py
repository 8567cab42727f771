"""nbflow with one promise taken out at a time: the tests must notice every one of them."""
