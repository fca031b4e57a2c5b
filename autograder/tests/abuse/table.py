"""The table: what is attempted, how it is judged, and how it must end in each tier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ASKS", "BOUNDS", "OUTLIVE", "QUICK", "ROWS", "TIERS", "TRAPS", "Outcome", "Row"]

Outcome = Literal["blocked", "bounded", "open"]
TIERS = ("strong", "strong-pod", "medium", "basic")
_WORDS: dict[str, Outcome] = {"x": "blocked", "=": "bounded", "o": "open"}


@dataclass(frozen=True)
class Row:
    """One attempt."""

    name: str
    """Of the function that makes it."""
    attempt: str
    judge: str
    """By which one sees, outside, that it got through: `secret` (its loot), `file` (changed outside), `call` or a signal's name
    (noted by the victim), `heard` (by us), `planted` (a file in a shared folder), `odd` (a device or setuid program that was left),
    `answered` (by the index), `said` (nobody outside can see it, its own word); for what isn't quick, who looks."""
    ends: str
    """For each tier a letter: x blocked, = bounded, o open by design."""
    why: str = ""
    """Why it is open where it is; in the words of the docs."""
    unshown: str = ""
    """Why the basic tier may not show it open on a machine like this: all others must, or they prove nothing."""
    needs: tuple[str, ...] = ()
    """Files of which the machine must have one, or there is nothing to be had in any tier."""
    group: str = "quick"

    def expected(self, tier: str) -> Outcome:
        """Say how it must end in this tier."""
        return _WORDS[self.ends[TIERS.index(tier)]]


_STAT = "Landlock does not govern who looks at names, sizes, modes and times"
_UID = "the same user's, and Landlock knows no such right"
_NAMES = "names and command lines of the pod's processes can be seen where no /proc of its own can be mounted; nothing else of them"
_PATHS = "the kernel names the folders of this machine behind each mount: names, nothing in them"
_ROOT = "only root may, and many a container's root may not"

QUICK = (
    Row("read_a_secret", "read a file of the user's", "secret", "xxxo"),
    Row("list_a_folder", "list a folder of the user's", "said", "xxxo"),
    Row("learn_that_a_file_is_there", "learn that a file exists, and its size", "said", "xxoo", _STAT),
    Row("append_to_a_file", "append to a gradebook", "file", "xxxo"),
    Row("truncate_a_file", "truncate a gradebook", "file", "xxxo"),
    Row("change_a_mode", "take a gradebook's permissions away", "file", "xxoo", _UID),
    Row("change_a_time", "change a gradebook's times", "file", "xxoo", _UID),
    Row("change_an_attribute", "set an extended attribute of a gradebook", "file", "xxoo", _UID),
    Row("remove_a_file", "remove a gradebook", "file", "xxxo"),
    Row("move_a_file_in", "move a gradebook into the workspace", "file", "xxxo"),
    Row("put_a_file_outside", "put a file beside a gradebook", "file", "xxxo"),
    Row("follow_a_link_out", "read through a symbolic link", "secret", "xxxo"),
    Row("climb_by_a_link_to_a_folder", "write through a linked folder", "file", "xxxo"),
    Row("make_a_hard_link", "link another submission's file into the workspace", "file", "xxxo"),
    Row("climb_by_dotdot", "climb out by `..`", "secret", "xxxo"),
    Row("read_by_proc_root", "climb out by `/proc/*/root` and `/proc/*/cwd`", "secret", "xxxo"),
    Row("read_open_files_by_proc", "read what others hold open, by `/proc/*/fd`", "secret", "xxxo"),
    Row("read_by_file_handle", "open a file by its handle", "secret", "xxxo", unshown=_ROOT),
    Row("read_the_machines_secrets", "read `/etc/shadow`, keys, root's files", "said", "xxxo", unshown=_ROOT),
    Row(
        "learn_the_machines_id",
        "read the machine's id",
        "said",
        "xxoo",
        "programs crash where harmless files of `/etc` can't be read",
        unshown="the machine may have none",
        needs=("/etc/machine-id", "/var/lib/dbus/machine-id"),
    ),
    Row("open_system_files_for_writing", "write to the system's folders and libraries", "said", "xxxo"),
    Row("change_the_seed", "change the seed of the system Python", "said", "xxxo"),
    Row("poison_the_cache", "plant results in the course's cache", "planted", "xxxo"),
    Row("fill_and_read_the_courses_shared_memory", "read and write this machine's `/dev/shm`", "planted", "xxxo"),
    Row("make_devices", "make or open a device", "odd", "xxxo", unshown=_ROOT),
    Row("leave_a_setuid_program", "leave a setuid program in the workspace", "odd", "xxxo"),
    Row("leave_a_program_with_capabilities", "leave a program with capabilities", "said", "xxxo", unshown=_ROOT),
    Row("gain_privileges_by_setuid_programs", "gain privileges by setuid programs", "said", "xxxo"),
    Row("have_capabilities", "have capabilities", "said", "xxxo", unshown=_ROOT),
    Row("make_a_user_namespace", "make a user namespace", "said", "xxxo"),
    Row("make_a_mount_namespace", "make a mount namespace", "said", "xxxo", unshown=_ROOT),
    Row("make_a_network_namespace", "make a network namespace", "said", "xxxo", unshown=_ROOT),
    Row("make_a_namespace_by_clone3", "make a namespace by `clone3`", "said", "xxxo"),
    Row("nest_bubblewrap", "start another bubblewrap inside", "said", "xxxo", unshown="bubblewrap must be there"),
    Row("enter_another_namespace", "enter another process's namespace", "said", "xxxo", unshown=_ROOT),
    Row("mount_something", "mount something", "said", "xxxo", unshown=_ROOT),
    Row("mount_by_the_new_calls", "mount by `fsopen` and `open_tree`", "said", "xxxo", unshown=_ROOT),
    Row("change_the_root", "change the root folder", "said", "xxxo", unshown=_ROOT),
    Row("remount_read_only_folders", "make read-only folders writable again", "said", "xxxo", unshown=_ROOT),
    Row("use_io_uring", "use io_uring, which no filter sees into", "said", "xxxo"),
    Row("use_bpf", "load a BPF program", "said", "xxxo", unshown=_ROOT),
    Row("use_userfaultfd", "use userfaultfd, which makes races winnable", "said", "xxxo", unshown=_ROOT),
    Row("use_keyrings", "use the kernel's keyrings", "said", "xxxo"),
    Row("find_a_key_of_the_users", "read a key in the user's keyring", "secret", "xxxo"),
    Row("use_perf", "use perf events", "said", "xxxo", unshown=_ROOT),
    Row("use_memfd_secret", "hide memory with memfd_secret", "said", "xxxo", unshown="the kernel may not have it"),
    Row("use_fanotify", "watch files with fanotify", "said", "xxxo", unshown=_ROOT),
    Row("load_a_module", "load a kernel module", "said", "xxxo", unshown=_ROOT),
    Row("load_a_kernel", "load another kernel", "said", "xxxo", unshown=_ROOT),
    Row("read_the_kernels_log", "read the kernel's log", "said", "xxxo", unshown=_ROOT),
    Row("compare_processes", "compare kernel pointers with kcmp", "said", "xxxo", unshown="the kernel may not have it"),
    Row(
        "use_the_other_system_call_table",
        "go round the filter by the x32 table",
        "said",
        "xxxo",
        unshown="few kernels have it",
    ),
    Row(
        "change_the_kernels_settings",
        "set `core_pattern`, a program that root runs, and other settings",
        "said",
        "xxxo",
        unshown=_ROOT,
    ),
    Row("set_the_clock", "set the clock", "said", "xxxo", unshown=_ROOT),
    Row("leave_the_control_group", "leave the control group", "said", "xxxo", unshown=_ROOT),
    Row("raise_the_bounds", "raise a bound", "said", "xxxx"),
    Row(
        "get_ahead_of_others",
        "get ahead of others: priority, real time, out-of-memory score",
        "said",
        "xxxo",
        unshown=_ROOT,
    ),
    Row("dump_core", "leave a core dump", "said", "xxxx"),
    Row("see_other_processes", "see other processes' command lines", "secret", "xooo", _NAMES),
    Row("read_other_environments", "read other processes' environments", "secret", "xxxo"),
    Row("read_my_own_environment", "find the grader's secrets in its own environment", "secret", "xxxx"),
    Row(
        "read_where_process_1_came_from",
        "learn this machine's folders from process 1",
        "said",
        "xxoo",
        "the workspace lies where it lies",
    ),
    Row("learn_paths_from_mounts", "learn this machine's folders from the list of mounts", "said", "oooo", _PATHS),
    Row("signal_another_process", "send a signal to another process", "SIGUSR1", "xxxo"),
    Row("signal_by_descriptor", "the same by a process descriptor", "SIGUSR2", "xxxo"),
    Row("signal_everything", "send a signal to everything", "SIGURG", "xxxo"),
    Row("signal_the_supervisor", "send signals to those who watch over the sandbox", "heard", "xxxo"),
    Row(
        "trace_another_process",
        "trace another process",
        "said",
        "xxxo",
        unshown="the kernel may allow only parents to trace",
    ),
    Row(
        "read_another_memory",
        "read another process's memory",
        "secret",
        "xxxo",
        unshown="the kernel may allow only parents to trace",
    ),
    Row(
        "take_another_descriptor",
        "take another process's open file",
        "secret",
        "xxxo",
        unshown="the kernel may allow only parents to trace",
    ),
    Row("use_inherited_descriptors", "use descriptors that the course has open", "said", "xxxx"),
    Row("call_a_service_of_the_machine", "call a service of this machine, such as Jupyter", "call", "xxxo"),
    Row("call_by_the_machines_own_address", "the same by its outer address", "call", "xxxo"),
    Row("call_by_ipv6", "the same by IPv6", "call", "xxxo", unshown="the machine may have no IPv6"),
    Row("call_by_multipath_tcp", "the same by Multipath TCP", "call", "xxxo", unshown="the kernel may not have it"),
    Row("call_by_fast_open", "the same by TCP Fast Open", "call", "xxxo"),
    Row("call_by_udp", "the same by UDP", "call", "xxxo"),
    Row("call_by_a_unix_socket", "call by a unix socket, as Docker has", "call", "xxxo"),
    Row("call_by_an_abstract_socket", "call by an abstract unix socket", "call", "xxxo"),
    Row("call_by_a_unix_datagram", "write to a unix datagram socket, as the log has", "call", "xxxo"),
    Row("reach_the_clouds_metadata", "reach a cloud's metadata", "said", "xxxo", unshown="only in a cloud"),
    Row("reach_the_internet", "reach the internet", "said", "xxxo", unshown="the machine may have none"),
    Row("wait_for_a_name", "hang on a name that leads nowhere", "said", "xxxx"),
    Row("be_called_from_outside", "offer a service to this machine", "offered", "xxxo"),
    Row("open_unusual_sockets", "open raw, packet, vsock, crypto and other sockets", "said", "xxxo", unshown=_ROOT),
    Row("change_the_network", "change a network interface", "said", "xxxo", unshown=_ROOT),
    Row("forge_the_index", "answer in the index's place", "said", "xxxo"),
    Row("take_the_port_for_tls", "answer on the port of the index's names", "said", "xxxo", unshown=_ROOT),
    Row("join_shared_memory", "join this machine's System V shared memory", "secret", "xxxo"),
    Row(
        "join_a_message_queue",
        "open this machine's message queues",
        "said",
        "xxxo",
        unshown="the kernel may not have them",
    ),
)

_TMP = "the folder is everybody's"

BOUNDS = (
    Row("write_a_gigabyte_of_output", "write a gigabyte of output", "the run", "====", group="bounds"),
    Row("bomb_by_forks", "fork bomb of 510 processes", "the run", "====", group="bounds"),
    Row("take_memory_in_one_process", "take 6 GB in one process", "the run", "====", group="bounds"),
    Row("take_memory_in_many_processes", "take memory in many small processes", "the run", "====", group="bounds"),
    Row("take_the_processor", "compute for ever, in two processes", "the run", "====", group="bounds"),
    Row("stay_too_long", "close all output, ignore signals, sleep", "the run", "====", group="bounds"),
    Row("write_one_large_file", "write one large file", "the run", "====", group="bounds"),
    Row("fill_the_disk_with_large_files", "fill the disk with large files", "the run", "====", group="bounds"),
    Row("fill_the_disk_with_small_files", "fill the disk with small files", "the run", "====", group="bounds"),
    Row("fill_shared_memory", "fill `/dev/shm`", "files outside", "==xo", group="bounds"),
    Row("fill_the_temporary_folder", "fill `/tmp`", "files outside", "==xo", _TMP, group="bounds"),
    Row("open_too_many_files", "open thousands of files", "the run", "====", group="bounds"),
    Row("stop_everything", "stop every process, oneself too", "processes left", "====", group="bounds"),
    Row(
        "type_into_the_terminal",
        "type into the learner's terminal (TIOCSTI)",
        "the terminal",
        "xxxo",
        unshown="newer kernels refuse it",
        group="bounds",
    ),
    Row("kill_the_supervisor", "kill the supervisor and live on", "processes left", "xxxx", group="bounds"),
)

OUTLIVE = (
    Row("leave_a_daemon", "leave a daemon", "processes left", "xxxx", group="outlive"),
    Row("fork_twice", "fork twice, in a session of one's own", "processes left", "xxxx", group="outlive"),
    Row("ignore_every_signal", "ignore every signal", "processes left", "xxxx", group="outlive"),
    Row("stop_oneself", "stop, so that no signal is heard", "processes left", "xxxx", group="outlive"),
    Row(
        "hop_from_process_to_process",
        "hop from process to process, faster than one can look",
        "processes left",
        "xxxx",
        group="outlive",
    ),
)

TRAPS = (
    Row(
        "put_links_where_the_course_writes",
        "put links where the next run writes its settings",
        "file",
        "xxxx",
        group="traps",
    ),
    Row(
        "put_pipes_where_the_course_reads", "put pipes where the next run reads", "the next run", "xxxx", group="traps"
    ),
    Row(
        "put_endless_devices_where_the_course_reads",
        "put links to `/dev/zero` there",
        "the next run",
        "xxxx",
        group="traps",
    ),
    Row(
        "poison_start_up_files",
        "leave `.pth`, sitecustomize, shell start-up files and LD_PRELOAD for the next run",
        "the next run",
        "xxxx",
        group="traps",
    ),
    Row(
        "poison_gits_settings",
        "leave git hooks and settings for those who read repositories",
        "file",
        "xxxx",
        group="traps",
    ),
    Row("leave_a_tree_5000_deep", "leave a tree 5,000 deep for snapshot and reset", "both", "====", group="traps"),
    Row(
        "leave_pipes_sockets_and_loops",
        "leave pipes, sockets and loops of links for them",
        "both",
        "====",
        group="traps",
    ),
    Row(
        "leave_names_that_steer",
        "leave names with line ends, terminal escapes and options for them",
        "both",
        "====",
        group="traps",
    ),
    Row("leave_holes_of_gigabytes", "leave gigabytes of holes for them", "both", "====", group="traps"),
    Row("race_the_snapshot", "swap a folder for a link out while it is read", "secret", "xxxx", group="traps"),
    Row("race_the_reset", "swap a folder for a link out while it is emptied", "file", "xxxx", group="traps"),
)

ASKS = (
    Row(
        "ask_for_what_is_not_offered",
        "ask for a reset, for grading, for a file, for another exercise",
        "what would be run",
        "xxxx",
        group="asks",
    ),
    Row("ask_in_broken_ways", "ask in megabytes, odd bytes, deep nesting", "what would be run", "xxxx", group="asks"),
    Row("ask_without_end", "ask thousands of times, from several processes", "what would be run", "====", group="asks"),
    Row("leave_answers_unread", "ask for much, and read nothing of it", "the next question", "====", group="asks"),
    Row("pass_descriptors_out", "send open files along with a question", "open files", "xxxx", group="asks"),
)

ROWS = (*QUICK, *BOUNDS, *OUTLIVE, *TRAPS, *ASKS)
