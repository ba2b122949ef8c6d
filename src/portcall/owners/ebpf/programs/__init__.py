"""What runs in the kernel: each module makes the byte code of its programs, and lists them."""
