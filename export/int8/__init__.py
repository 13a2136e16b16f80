"""Static quantisation to INT8: an FP32 graph of ONNX into one with explicit Q/DQ nodes.

calibration   on which photographs the ranges are measured, and which are left to judge with
graph         the quantiser: ONNX Runtime's, with what is served in mind
sensitivity   how much each layer loses
search        layers are kept in FP32, the worst first, until the gate passes
"""
