//go:build !novimage

package main

func Example() {
	main()
	// Output:
	// address: 2001:db8::4768:637c:b55:e92f/64
	// [2001:db8::1]:80 says: you are 2001:db8::4768:637c:b55:e92f
}
