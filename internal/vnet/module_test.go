package vnet_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/vvar"
	"github.com/seed88948545/vimage/internal/wire"
)

func newStack(t testing.TB, w *vnet.World, name string) *vnet.Stack {
	t.Helper()
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: name})
	must(t, e)
	return st
}

// TestModulePackets: a module gets the frames and packets nobody else wants.
func TestModulePackets(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		tp.learn("10.0.0.2", "10.0.0.1")
		var got []string
		m := &vnet.Module{
			Name: "m", EtherType: 0x88b5, Proto: 253,
			InEther: func(st *vnet.Stack, i uint32, f wire.Ether, out []byte) (int, uint32) {
				got = append(got, fmt.Sprint(st.Name(), i, string(f.Payload())))
				wire.PutEther(out, f.Src(), f.Dst(), f.Type())
				n := wire.EtherLen + copy(out[wire.EtherLen:], "answer")
				return n, i
			},
			InIP: func(st *vnet.Stack, i uint32, p wire.Packet) {
				got = append(got, fmt.Sprint(st.Name(), i, string(p.Payload())))
			},
		}
		frame := make([]byte, wire.EtherLen, 20)
		wire.PutEther(frame, tp.peer, tp.mac, 0x88b5)
		frame = append(frame, "frame"...)
		packet := ipFrame(tp.peer, tp.mac, wire.IPv4Header{TTL: 9, Proto: 253, Src: addr("10.0.0.2"), Dst: addr("10.0.0.1")}, []byte("packet"))
		for _, loaded := range []bool{false, true, false} {
			got = nil
			if loaded {
				must(t, control.LoadModule(w, m))
			}
			tp.inject(frame, packet)
			if loaded {
				if want := []string{st.Name() + "2frame", st.Name() + "2packet"}; !slices.Equal(got, want) {
					t.Errorf("the module got %q, want %q", got, want)
				}
				must(t, control.UnloadModule(w, m))
			} else if _, icmp := tp.oneICMP(t); got != nil || icmp.Code() != wire.ICMP4CodeProto {
				t.Errorf("not loaded, the module got %q", got)
			}
		}
		count(t, st, map[string]uint64{"drop.unknown ethertype": 2, "drop.no protocol": 2})
		empty(t, w)
	})
}

// TestModuleWhileRunning loads and unloads while packets flow and stacks come
// and go.
func TestModuleWhileRunning(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		synctest.Test(t, func(t *testing.T) {
			n := newNet2(t, clock.NewReal(), shards)
			m := &vnet.Module{Name: "m", Proto: 253}
			v := vvar.New(&m.Vars, "v", int64(1))
			dead := vvar.New(&m.Vars, "dead", false)
			m.InIP = func(st *vnet.Stack, _ uint32, _ wire.Packet) {
				if v.In(st.Vars()) == nil || *dead.In(st.Vars()) {
					t.Error("a packet in a module that is not there")
				}
			}
			m.Destruct = func(st *vnet.Stack) { *dead.In(st.Vars()) = true }
			var stop atomic.Bool
			var wg sync.WaitGroup
			raw, e := usrreq.ListenRaw(n.a, 253, addr("0.0.0.0"), 0)
			must(t, e)
			for range 2 {
				wg.Go(func() {
					for !stop.Load() {
						if _, err := raw.WriteTo([]byte("x"), netip.AddrPortFrom(addr("10.0.0.2"), 0), nil); err != nil {
							t.Error(err)
						}
					}
				})
			}
			for i := range 200 {
				must(t, control.LoadModule(n.w, m))
				st := newStack(t, n.w, fmt.Sprint(i))
				if *v.In(st.Vars()) != 1 || *v.In(n.a.Vars()) != 1 {
					t.Fatal("wrong initial value")
				}
				*v.In(n.a.Vars()) = 5
				wg.Go(func() { control.Close(st) })
				must(t, control.UnloadModule(n.w, m))
			}
			stop.Store(true)
			wg.Wait()
			synctest.Wait()
			raw.Close()
			empty(t, n.w)
		})
	})
}
