from portcall.recording.annotations import comment_option, process_lines
from portcall.records.ownership import Owner, Program

CURL = Program("curl", "/usr/bin/curl", ("curl", "-u", "me:secret", "https://example.org"), container="1f2e3d4c5b6a")
OWNER = Owner(4711, 5, CURL, "alice", ((4242, "bash"), (1, "init")))


def text_of(owner, **wishes):
    written = comment_option(process_lines(owner, 1000, **{"with_arguments": False, "is_receiver": False, **wishes}))
    length = int.from_bytes(written[2:4], "little")
    assert written[:2] == b"\x01\0"
    assert len(written) == 4 + length + -length % 4
    return written[4 : 4 + length].decode()


def test_a_comment_names_its_process_as_ptcpdump_does():
    assert text_of(OWNER) == "PID: 4711\nCmd: curl\nUserId: 1000\nParentPID: 4242\nContainerName: 1f2e3d4c5b6a"


def test_arguments_are_written_only_where_they_are_wanted():
    assert "secret" not in text_of(OWNER)
    assert "Args: curl -u me:secret https://example.org" in text_of(OWNER, with_arguments=True)


def test_a_name_cannot_begin_another_line_or_speak_to_a_terminal():
    owner = OWNER._replace(program=Program("x\nPID: 1\x1b[2J\u202e"))

    assert text_of(owner).splitlines()[1] == "Cmd: x?PID: 1?[2J?"


def test_what_is_long_is_cut_and_says_so():
    owner = OWNER._replace(program=Program("x" * 5000))

    assert text_of(owner).splitlines()[1] == "Cmd: " + "x" * 1024 + "..."


def test_who_received_a_packet_that_stayed_here_is_told_beside_who_sent_it():
    sent, received = (process_lines(OWNER, None, with_arguments=False, is_receiver=here) for here in (False, True))

    assert received == ["Receiver " + line for line in sent]


def test_without_a_process_there_is_no_comment():
    assert comment_option([]) == b""
