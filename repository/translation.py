"""What later Triton releases read in a configuration and the embedded one, 2.51, refuses: the platform of a package.

The repository stays as it is. The server is given such a model's configuration with the request to load it.
"""

import json

from google.protobuf.json_format import MessageToDict
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.formats import PT2

PLATFORM = "platform"
"""The parameter that holds the platform, for the embedded server's own backends."""
PLATFORMS = (PT2.platform,)


def is_translated(config: ModelConfig) -> bool:
    """Whether the embedded Triton refuses the configuration as it stands."""
    return config.platform in PLATFORMS


def to_json(config: ModelConfig, *, embedded: bool) -> str:
    """A configuration as a request to load its model has it.

    Args:
        config: Of the model.
        embedded: Translate it for the embedded Triton, if that is needed.
    """
    if embedded and is_translated(config):
        translated = ModelConfig()
        translated.CopyFrom(config)
        translated.parameters[PLATFORM].string_value = config.platform
        translated.backend = config.backend or PT2.backend
        translated.default_model_filename = config.default_model_filename or PT2.filename
        translated.ClearField("platform")
        config = translated
    return json.dumps(MessageToDict(config, preserving_proto_field_name=True))
