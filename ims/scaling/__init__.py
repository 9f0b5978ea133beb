"""What Knative's autoscaler does with our Services: its algorithm, the limits of what feeds them, and a campaign played through both.

Nothing here reads a clock, a file or the environment: text comes in, time and chance are passed in.
"""
