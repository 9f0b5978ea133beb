"""How fast IMS is, counted at the far ends; `python -m bench SCENARIO`. bench/README.md says how."""
