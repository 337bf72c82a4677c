"""The tiny guest of the lab: a Debian kernel, busybox and the QEMU guest agent."""
