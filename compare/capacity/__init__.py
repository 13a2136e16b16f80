"""How many servers a load needs: from a stored comparison, by a queue that is solved by running it.

The queue is M/G/c with batch service: requests come at random (a Poisson process), each instance of the model takes all
that wait, up to the largest batch, and an execution takes a fixed time and a time for each image. Kendall's letters;
D. G. Kendall, "Stochastic processes occurring in the theory of queues", Annals of Mathematical Statistics 24 (1953).
Servers with dynamic batching in this form: Y. Inoue, "Queueing analysis of GPU-based inference servers with dynamic
batching: A closed-form characterization", Performance Evaluation 147 (2021).
"""
