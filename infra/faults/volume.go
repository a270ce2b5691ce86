package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrNoVolumes says that this process may not make file systems of its own, which a power cut needs.
var ErrNoVolumes = errors.New("a power cut needs root, mkfs.ext4 and loop devices")

// volumeSize is how much a volume seems to hold; what nobody has written takes no room.
const volumeSize = "3G"

// volumes is a place for disk images. On a file system of its own that copies by sharing (XFS), an image is copied as
// it is at one moment, whatever is being written; elsewhere only while nothing is.
type volumes struct {
	lab    *Lab
	dir    string
	atOnce bool
	made   int
}

// newVolumes makes the place, or answers ErrNoVolumes. It goes with the lab.
func (l *Lab) newVolumes(ctx context.Context) (*volumes, error) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		return nil, ErrNoVolumes
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoVolumes, err)
	}
	dir, err := l.Dir()
	if err != nil {
		return nil, err
	}
	v := &volumes{lab: l, dir: dir}
	if _, err := exec.LookPath("mkfs.xfs"); err == nil {
		image, at := filepath.Join(dir, "xfs"), filepath.Join(dir, "images")
		err := errors.Join(command(ctx, "truncate", "-s", "12G", image), command(ctx, "mkfs.xfs", "-q", image), os.Mkdir(at, 0o711))
		if err == nil {
			if err = command(ctx, "mount", "-o", "loop,nodiscard", image, at); err == nil {
				l.OnClose(func() error { return command(context.Background(), "umount", at) })
				v.dir, v.atOnce = at, true
			}
		}
		l.Say("images are copied at one moment: %t %v", v.atOnce, err)
	}
	// The proof that it works here.
	probe, err := v.make(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoVolumes, err)
	}
	return v, probe.remove()
}

// volume is an ext4 in an image, mounted.
type volume struct {
	in    *volumes
	image string
	at    string // where it is mounted, "" while it is not
	disk  string // the loop device, by its name below /sys/block
}

func (v *volumes) name() string { v.made++; return filepath.Join(v.dir, fmt.Sprintf("disk%d", v.made)) }

// make makes an empty volume.
func (v *volumes) make(ctx context.Context) (*volume, error) {
	image := v.name()
	// Nothing is done by the kernel later that could be done now: it would write while an image is copied.
	err := errors.Join(command(ctx, "truncate", "-s", volumeSize, image), command(ctx, "mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", image))
	if err != nil {
		return nil, err
	}
	return v.mount(ctx, image)
}

// mount mounts an image.
func (v *volumes) mount(ctx context.Context, image string) (*volume, error) {
	d := &volume{in: v, image: image, at: image + ".at"}
	if err := os.Mkdir(d.at, 0o711); err != nil {
		return nil, err
	}
	if err := d.mount(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(d.at), os.Remove(image))
	}
	v.lab.OnClose(d.remove)
	return d, nil
}

// mount mounts the volume's image, as after a power cut: its journal is played back.
func (d *volume) mount(ctx context.Context) error {
	if err := command(ctx, "mount", "-o", "loop,noinit_itable", d.image, d.at); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "findmnt", "-n", "-o", "SOURCE", d.at).Output()
	if err != nil {
		return fmt.Errorf("which loop device: %w", err)
	}
	d.disk = filepath.Base(strings.TrimSpace(string(out)))
	return os.Chmod(d.at, 0o711)
}

// replace puts a copy in the place of the image that went on after it was made. Nobody uses the volume.
func (d *volume) replace(ctx context.Context, image string) error {
	if err := d.unmount(); err != nil {
		return err
	}
	if err := os.Rename(image, d.image); err != nil {
		return err
	}
	return d.mount(ctx)
}

// unmount waits for what was killed and is about to end.
func (d *volume) unmount() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var err error
	_ = Until(ctx, func() bool { err = command(context.Background(), "umount", d.at); return err == nil })
	return err
}

// data is the data directory on the volume.
func (d *volume) data() (string, error) {
	dir := filepath.Join(d.at, "data")
	err := os.Mkdir(dir, 0o711)
	if errors.Is(err, os.ErrExist) {
		return dir, nil
	}
	return dir, errors.Join(err, os.Chmod(dir, 0o711))
}

// copy copies the image as a power cut would leave the disk: what has reached it, and nothing that the kernel still
// holds. Where the copy is not of one moment by itself, nobody may be writing, and it is made again until the disk has
// been at rest meanwhile.
func (d *volume) copy(ctx context.Context) (image string, err error) {
	image = d.in.name()
	if d.in.atOnce {
		return image, command(ctx, "cp", "--reflink=always", d.image, image)
	}
	for {
		before, err := d.writes()
		if err != nil {
			return "", err
		}
		if err := command(ctx, "cp", "--sparse=always", d.image, image); err != nil {
			return "", err
		}
		after, err := d.writes()
		if err != nil || before == after && before != busy {
			return image, err
		}
	}
}

const busy = -1

// writes is how many writes the disk has finished, or busy.
func (d *volume) writes() (int, error) {
	text, err := os.ReadFile(filepath.Join("/sys/block", d.disk, "stat"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text)) // reads ×4, writes ×4, in flight, …
	if len(fields) < 9 {
		return 0, fmt.Errorf("%s has no figures: %q", d.disk, text)
	}
	if fields[8] != "0" {
		return busy, nil
	}
	return strconv.Atoi(fields[4])
}

// settle writes everything down, so that the image can be copied as it is.
func (d *volume) settle(ctx context.Context) error { return command(ctx, "sync", "-f", d.at) }

// remove unmounts the volume and removes its image. It may be called again.
func (d *volume) remove() error {
	if d.at == "" {
		return nil
	}
	if err := d.unmount(); err != nil {
		return err
	}
	at := d.at
	d.at = ""
	return errors.Join(os.Remove(at), os.Remove(d.image))
}

// command runs a program that says something only when it fails.
func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// freeze stops a program and all that it has started, and returns when every thread of them stands: none is inside a
// call of the kernel any more, so a sync that had begun has ended.
func freeze(ctx context.Context, pid int) (pids []int, err error) {
	still := func() bool {
		var all []int
		if all, err = family(pid); err != nil {
			return true
		}
		for _, one := range all {
			if !slices.Contains(pids, one) {
				if e := syscall.Kill(one, syscall.SIGSTOP); e != nil && !errors.Is(e, syscall.ESRCH) {
					err = e
					return true
				}
			}
		}
		fresh := !slices.Equal(pids, all)
		pids = all
		return !fresh && !slices.ContainsFunc(all, moves)
	}
	if e := Until(ctx, still); e != nil {
		return pids, fmt.Errorf("not all threads stand: %w", e)
	}
	return pids, err
}

// end kills processes by their ids, a child after its parent, so that nobody starts another.
func end(pids []int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone already is as good
	}
}

// family is a process and all below it, parents first.
func family(pid int) ([]int, error) {
	below := map[int][]int{}
	list, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, name := range list {
		state := stat(name)
		if len(state) < 2 {
			continue // it has ended
		}
		one, err1 := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		parent, err2 := strconv.Atoi(state[1])
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		below[parent] = append(below[parent], one)
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		slices.Sort(below[all[i]])
		all = append(all, below[all[i]]...)
	}
	return all, nil
}

// moves says whether a thread of a process is not stopped.
func moves(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", pid))
	if err != nil {
		return true
	}
	return slices.ContainsFunc(threads, func(name string) bool {
		state := stat(name)
		return len(state) > 0 && !strings.Contains("TtZX", state[0])
	})
}

// stat is what /proc says of a process or thread behind its name: the state, the parent, …
func stat(name string) []string {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	i := bytes.LastIndexByte(text, ')')
	return strings.Fields(string(text[i+1:]))
}
