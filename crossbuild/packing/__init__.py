"""Bundles: a wheelhouse in the form that its way to the machine can carry."""
