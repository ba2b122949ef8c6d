"""What ``--explain`` says of owners that a capture names."""

from named_captures import comment, connection, packets, pcapng, pid_option, process_block
from portcall.explanation.flow_explanation import explain_flow
from portcall.runs import offline


def explained(tmp_path, data):
    path = tmp_path / "capture.pcapng"
    path.write_bytes(data)
    (row,) = offline.read([str(path)], by="flow").report.to_dicts()
    return {section.heading: section.sentences for section in explain_flow(row, 1, ()).sections}


def test_the_process_at_an_end_is_said_and_who_says_so(tmp_path):
    said = comment("PID: 7\nContainerName: web")
    sections = explained(
        tmp_path, pcapng(process_block(7, "curl", user=1000), packets(connection(), pid_option(7), said))
    )

    assert sections["client"][-1] == "its process is curl (7), of user 1000, in web; pcapng-process says so"
    assert sections["app"] == ("curl: by the process that has the socket",)


def test_several_processes_at_an_end_are_said(tmp_path):
    frames = connection()
    sections = explained(tmp_path, pcapng(packets(frames, lambda number: [pid_option(1 + number % 2)])))

    assert sections["owner"] == ("several possible owners: several-owners: unknown (1), unknown (2)",)
