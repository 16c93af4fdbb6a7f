// Package pkt holds packets: buffers, the caches and pool they come from, and
// what is known about a packet beside its bytes.
//
// A Buf is one frame in one contiguous piece of memory with room in front for
// headers. Frames up to 1,800 bytes live inside the Buf; larger ones, up to a
// super-segment of 65,160 bytes of TCP payload, in a Block it points to.
//
// Two words say who owns a buffer. A function that *takes* a Buf owns it from
// then on, on every path out: it passes it on or frees it. A function that
// *borrows* one leaves it as it was, and must Retain it to keep it.
//
// A Buf may be shared: its reference count says by how many. Shared bytes and
// shared Info are read only; whoever must write calls Unshare first.
package pkt
