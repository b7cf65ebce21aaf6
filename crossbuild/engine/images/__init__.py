"""Roots of images on this host: from packages, from a registry, from an archive of the user's."""
