package main

import "github.com/spf13/cobra"

func newMcast() *cobra.Command {
	c := &cobra.Command{
		Use:   "mcast",
		Short: "receivers and senders of multicast, who listens, who asks",
		Args:  noArgs,
		RunE:  help,
	}
	c.AddCommand(newMcastReceive(), newMcastSend(), newMcastWatch(), newMcastQuery())
	return c
}
