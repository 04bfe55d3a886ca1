"""The kernel boundary: thin typed wrappers around system calls, netlink and nftables."""
