"""Traces and stage statistics on MongoDB."""

from ims.adapters.mongo.traces import MongoTraces as MongoTraces
