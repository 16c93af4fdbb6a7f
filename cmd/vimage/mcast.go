package main

import "github.com/spf13/cobra"

func newMcast() *cobra.Command {
	c := &cobra.Command{
		Use:   "mcast",
		Short: "multicast: who listens, who asks",
		Args:  noArgs,
		RunE:  help,
	}
	c.AddCommand(newMcastWatch(), newMcastQuery())
	return c
}
