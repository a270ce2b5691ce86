package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"roster/events"
	"roster/infra/keyring"
	"roster/infra/seal"
)

// Computed apart from this program for the master key 00…1f and the nonce 40…57. They never change.
const (
	wantSubject      = "roster.vault.address.xJoUtSs6VT99NTdegjKn0neMGe_3HIWmaSGteGkeKOk"
	wantKeyEntry     = "018ab1103201404142434445464748494a4b4c4d4e4f50515253545556575fb7245a92df4f42359b2e37ed9fa295ed1926529707ab40b58a400a6caab1bb025efa6d7bb7fcb21c9f49b073d7786189c2cd2ac53eec0e02185ad10d47860666b61e19c72494c03b504733120a2386e9f4983aed59b0b1acb327b625e1a06ea9e349a6f0e974abf8c3223e29e8f4c8b4f990ea3fe58827ee63b0c306ca2f25cd81aa4ad081e9f21e70ae166fa823c12f52bd169ddb89300515"
	wantAddressEntry = "018ab1103201404142434445464748494a4b4c4d4e4f50515253545556575fb7245a92df4f4235912f2abdd6f389b85b614fbf1db7428fdc03587cfbeeeb4116bc7069aaeae26fd442e527903a0fd99e8c25833af0005f4a0e980e0982057aee511fc03ac08b34534e320b5b75d2bdfbdf22ac1fb3e8eef429ae71c18d5e8f8004d5d19d7c8edde9032b15de82a7b9febffe2fc5ad32f241baeb3bba1836fdbfb04596b454ad5914719694395e35431758db4ce6"
	wantPointedEntry = "018ab1103201404142434445464748494a4b4c4d4e4f50515253545556575fb7245a92df4f42359b2e37ed9fa295ed1926529707ab40b58a400a78bdb0bb4501ab2020fbf6b72d935fcd20916a6a92ca9f269969f45d53040c990b45985728bc1a059a6b97c220031960475176d0bff3d823f80dfdffafb769f96282db09abe37bb4f7dc428ef3e7101826fddab4bffcd8e429d8a138fe4dafcf18df3416eb84b95cf3b1f6ae74652ff056c03bb922960f8c338d112837cea96e06ffbbaca9d12de1a7c5b4fef1d101dd35bee2342da6ac460acd33f1881deb9addb8b4d0010e636d4200adbfe80ac60753f49769474649f829"
	wantTombstone    = "018ab1103201404142434445464748494a4b4c4d4e4f50515253545556575fb7245a92df4f4235842423adc0f495f412610cea1ca55eb5da255c60a9b1eb1a50b96668abfcb330d401b026822635c2a5c77b8330e3095610039f0f40814d7cea4d498e3ec5956b1c4634170d3ed6baf5db2eaa1bb2edbbe332ae2b82974a86d75bd58c8931b545a6b3c021c3dad94ae2281a421b799b"
	wantOriginHMAC   = "LW3TlxEi-dF7OAq3WW6hXIAJlIBKaPDghmYR_6jxKsI"
)

func counting(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func fixedRing(t *testing.T) *keyring.Keyring {
	t.Helper()
	kr, err := keyring.New(bytes.NewReader(counting(0, 32)), day0)
	if err != nil {
		t.Fatal(err)
	}
	return kr
}

func TestEntryVectors(t *testing.T) {
	kr := fixedRing(t)
	v := &Vault{prefix: "roster.vault.", kr: kr}
	key := [32]byte(counting(0, 32))
	id := seal.KeyIDOf(key)
	if got := v.addressSubject(kr.AddressHMAC("ann@example.com")); got != wantSubject {
		t.Errorf("subject %s, want %s", got, wantSubject)
	}
	if got := v.addressSubject(kr.AddressHMAC("\x00origin\x002026-11")); got != "roster.vault.address."+wantOriginHMAC {
		t.Errorf("subject of a month %s", got)
	}
	mac := kr.AddressHMAC("ann@example.com")
	for _, c := range []struct {
		subject string
		record  record
		want    string
	}{
		{v.keySubject(id), record{Kind: kindKey, OwnerType: OwnerUser, OwnerID: "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57", Value: key[:]}, wantKeyEntry},
		{wantSubject, record{Kind: kindAddress, OwnerType: OwnerAddress, OwnerID: "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57", Value: id[:]}, wantAddressEntry},
		{v.keySubject(id), record{Kind: kindKey, OwnerType: OwnerAddress, OwnerID: "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57", Value: key[:], Pointer: mac[:]}, wantPointedEntry},
		{v.keySubject(id), record{Kind: kindTombstone, OwnerType: OwnerAddress, OwnerID: "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"}, wantTombstone},
	} {
		got, err := wrap(bytes.NewReader(counting(64, 24)), kr, c.subject, c.record)
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%s: %x, %v; want %s", c.subject, got, err, c.want)
		}
		read, err := unwrap(kr, c.subject, got)
		if len(read.Value) == 0 {
			read.Value = nil
		}
		if err != nil || !reflect.DeepEqual(read, c.record) {
			t.Errorf("%s: %+v, %v", c.subject, read, err)
		}
	}
}

func TestUnwrapRefuses(t *testing.T) {
	kr := fixedRing(t)
	const subject = "roster.vault.secret.0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"
	good, err := wrap(rand.Reader, kr, subject, record{Kind: "password", OwnerType: OwnerUser, OwnerID: "x", Value: []byte("hash")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		edited := bytes.Clone(good)
		edited[i] ^= 1
		want := ErrBroken
		if i >= 1 && i < 5 {
			want = ErrKeyring
		}
		if r, err := unwrap(kr, subject, edited); !errors.Is(err, want) || !reflect.DeepEqual(r, record{}) {
			t.Errorf("edited at %d: %+v, %v", i, r, err)
		}
		if _, err := unwrap(kr, subject, good[:i]); !errors.Is(err, ErrBroken) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
	if _, err := unwrap(kr, subject[:len(subject)-1]+"8", good); !errors.Is(err, ErrBroken) {
		t.Error("on another subject:", err)
	}
	other, err := keyring.New(rand.Reader, day0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unwrap(other, subject, good); !errors.Is(err, ErrKeyring) {
		t.Error("another keyring:", err)
	}
	rotated, err := kr.Rotate(rand.Reader, day0)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := unwrap(rotated, subject, good); err != nil || string(r.Value) != "hash" {
		t.Error("after rotation:", err)
	}
	newer, err := wrap(rand.Reader, rotated, subject, record{Kind: "password", Value: events.Bytes{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unwrap(kr, subject, newer); !errors.Is(err, ErrKeyring) {
		t.Error("an older keyring reads a newer entry:", err)
	}
	if _, err := wrap(bytes.NewReader(make([]byte, 23)), kr, subject, record{}); err == nil {
		t.Error("wrapped with 23 random bytes")
	}
}
