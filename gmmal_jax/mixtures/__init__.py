"""Gaussian mixtures with diagonal covariances on latents (section 3.2 of the paper).

Densities (`gaussian`), class statistics (`classwise`), expectation-maximisation on
all rows or on shards (`em`, its steps in `steps`, rows that stay on the host in
`stream`), its starts (`start`), realignment and averaging of shards (`merge`), from
dealing rows to the average (`sharded`), the two fits that a learner asks for (`refit`),
and the fits for everyone else: functions (`api`) and scikit-learn's interface
(`sklearn`) to rows in any units (`problem`: brought into a `frame` by their `spread`).
"""
