package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// echoService is what protoc would have made of a service with two methods: one
// message for one, and a stream for a stream.
var echoService = grpc.ServiceDesc{
	ServiceName: "Echo", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.BytesValue)
		return in, dec(in)
	}}},
	Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
		for {
			in := new(wrapperspb.BytesValue)
			if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(in); err != nil {
				return err
			}
		}
	}}},
}

// TestGRPCEcho has gRPC echo messages and streams of them over stacks in one
// process, on a good link and on a bad one.
func TestGRPCEcho(t *testing.T) {
	for name, fault := range map[string]link.FaultConfig{
		"good": {},
		"bad":  {Seed: 1, Loss: 0.01, Delay: 100 * time.Microsecond, Duplicate: 0.01, Reorder: 0.01},
	} {
		t.Run(name, func(t *testing.T) {
			n := lab.New(t)
			a, b := n.Host("a"), n.Host("b")
			n.Link(a, b, lab.LinkConfig{FaultConfig: fault})
			l, err := b.Listen("tcp", ":50051")
			if err != nil {
				t.Fatal(err)
			}
			srv := grpc.NewServer()
			srv.RegisterService(&echoService, nil)
			go srv.Serve(l)
			defer srv.Stop()
			c, err := grpc.NewClient("passthrough:///"+b.Addr().String()+":50051",
				grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return a.DialContext(ctx, "tcp", addr) }))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() { unary(t, c, i) })
				wg.Go(func() { stream(t, c, i) })
			}
			wg.Wait()
		})
	}
}

// message is the i-th of what is sent.
func message(i int) *wrapperspb.BytesValue {
	return &wrapperspb.BytesValue{Value: fmt.Appendf(nil, "%0*d", 1+i*37%20_000, i)}
}

func unary(t *testing.T, c *grpc.ClientConn, i int) {
	for j := range 10 {
		got, want := new(wrapperspb.BytesValue), message(100*i+j)
		if err := c.Invoke(t.Context(), "/Echo/Unary", want, got); err != nil || string(got.Value) != string(want.Value) {
			t.Errorf("message %d: %d bytes of %d, %v", i, len(got.Value), len(want.Value), err)
			return
		}
	}
}

func stream(t *testing.T, c *grpc.ClientConn, i int) {
	s, err := c.NewStream(t.Context(), &echoService.Streams[0], "/Echo/Stream")
	if err != nil {
		t.Error(err)
		return
	}
	const count = 50
	go func() {
		for j := range count {
			if err := s.SendMsg(message(i + j)); err != nil {
				t.Error(err)
				return
			}
		}
		s.CloseSend()
	}()
	for j := 0; ; j++ {
		got := new(wrapperspb.BytesValue)
		err := s.RecvMsg(got)
		if err == io.EOF && j == count {
			return
		}
		if err != nil || string(got.Value) != string(message(i+j).Value) {
			t.Errorf("stream %d, message %d: %d bytes, %v", i, j, len(got.Value), err)
			return
		}
	}
}
