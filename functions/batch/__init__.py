"""Jobs by the clock: `ims batch NAME`, run by a CronJob; on one machine by the process that dispatches the lanes."""
