"""Where ports meet the world. Adapters do not know each other; only ims.wiring knows them."""
