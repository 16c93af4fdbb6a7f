# Reads itself.

s 1
f again.cmd
