"""What the vendor speaks. Pure: bytes and values in, decisions out; no asyncio, no clock, no database."""
