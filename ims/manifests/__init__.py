"""What IMS is on Knative: manifests rendered from the tables of the code and knative/autoscaling.yaml, and a cluster's rules for them.

`make manifests` runs it. The shape of each kind is a pattern written by hand in knative/base; nothing here needs a cluster.
"""
