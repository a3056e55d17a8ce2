"""The configuration: ``config.toml`` and the environment, checked, as one frozen value.

``loader`` is the door, ``models`` the list of everything there is, ``settings`` what comes out.
"""
