"""Steps of the policy-gradient loop: tensors in, tensors out."""
