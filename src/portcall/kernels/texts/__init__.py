"""Kernels: what keeps texts in little memory."""
