"""What both framework packages share: settings as pydantic fields, and hybrid vectors."""
