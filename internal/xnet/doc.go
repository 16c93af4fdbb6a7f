// Package xnet is what packages ipv4 and ipv6 have in common: the sockets of a
// stack in the ways of golang.org/x/net. It makes errors as package net does,
// requests of net.Addr and *net.Interface, batches of messages, and control
// messages in the machine's format. What the methods are called, what they mean
// in each family, and the kernel's sockets are left to the two.
package xnet
