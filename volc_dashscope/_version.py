"""The version, told to the services as part of the user agent."""

__version__ = "0.1.0"
