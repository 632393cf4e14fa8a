"""The vendor's REST: which fixtures there are (`recorder discover`), and what is said of those that are recorded.

Protocol, section 4. Nobody of us has seen it answer: whatever is marked unknown there is read in every form that the
vendor's pages and samples allow, and what cannot be read is told and left out, never guessed.
"""

# protocol 1.1: the current host; the older dde-api.data.imgarena.com was to go on 30 Sept 2026.
DEFAULT_REST_ENDPOINT = "https://dde-api.data.srarena.io"
