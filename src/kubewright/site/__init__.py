"""The site: what is published where, the store that holds it, and the one pointer that decides."""
