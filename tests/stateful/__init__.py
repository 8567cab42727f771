"""The public functions, called in any order: an oracle in plain dicts says what each of them must answer."""
