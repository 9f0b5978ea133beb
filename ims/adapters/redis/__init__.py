"""What processes share, on Redis: a single server or a cluster."""

from ims.adapters.redis.shared import RedisShared as RedisShared
