"""What the gate has to say of each module of the zoo."""

LIMITS = {
    "autograd_function": {"torchscript"},
    "by_numpy": {"torchscript"},
    "buffers": {"onnx"},
    "values_are_checked": {"onnx"},
}
"""Right modules, and the formats whose frameworks cannot take them; they have to say so in a line."""

SCORES = {
    "softmax_inside": "probabilities",
    "sharp_softmax_inside": "probabilities",
    "log_softmax_inside": "log-probabilities",
    "sigmoid_inside": "independent",
    "rare_sigmoids_inside": "independent",
}

RANDOM = "draws random numbers"
COMPANY = "depend on the other pictures of its batch"
STATE = "keeps something from one call"
FIRST = "depends on its first call"
FROZEN = "takes a Python value from its input's values"
MISMATCH = "does not match PyTorch"
REASONS = {
    "dropout_at_inference": RANDOM,
    "noise": RANDOM,
    "noise_of_numpy": RANDOM,
    "noise_of_python": RANDOM,
    "batch_statistics": COMPANY,
    "softmax_over_the_batch": COMPANY,
    "scaled_by_the_batch": COMPANY,
    "attention_over_the_batch": COMPANY,
    "place_in_the_batch": COMPANY,
    "large_batches_differ": COMPANY,
    "odd_batches_differ": COMPANY,
    "single_pictures_differ": COMPANY,
    "chunks_of_sixteen": COMPANY,
    "counts_its_calls": STATE,
    "keeps_its_hidden_state": STATE,
    "changes_its_weights": STATE,
    "cache_of_the_first_batch": FIRST,
    "cache_of_the_first_size": FIRST,
    "frozen_branch": FROZEN,
    "frozen_comparison": FROZEN,
    "frozen_number": FROZEN,
    "python_loop_over_the_batch": FROZEN,
    "nan_for_black": "NaN or infinity, for picture 4",
    "every_class_masked": "masks every class",
    "one_score_for_all": "every class the same score",
    "half_scores": "returns torch.float16",
    "bfloat16_inside": "casts to another precision",
    "two_outputs": "2 of them are [N, classes]; say which are the scores with --output KEY",
    "feature_maps": "[1, 16, 8, 8]",
    "another_way_when_exported": MISMATCH,
    "slightly_another_way_when_exported": MISMATCH,
    "another_way_for_dark_pictures_when_exported": MISMATCH,
    "another_softmax_when_exported": MISMATCH,
    "operator_of_this_process": "zoo::swish is registered by code that a server does not have",
}
"""What the refusal of each wrong module has to say."""
