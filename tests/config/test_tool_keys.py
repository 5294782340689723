from tests.support.agent_files import agent_of, faults_of


def test_tools_of_all_kinds_stand_in_one_list() -> None:
    agent = agent_of(
        """\
        tools:
          - hang_up
          - mcp: {server_label: calendar, server_url: "https://mcp.example.com/mcp"}
          - http: {name: find, description: Find., url: "https://api.example.com/"}
          - python: tests.config.sample_tools:asynchronous
        """
    )

    assert [tool.name for tool in agent.tools] == ["hang_up", "find", "asynchronous"]
    assert [server.server_label for server in agent.mcp] == ["calendar"]


def test_a_word_that_stands_alone_is_answered_with_what_it_lacks() -> None:
    assert faults_of("tools: [mcp]\n") == [
        'a.yaml:3:9: unknown tool "mcp"; write "mcp: {server_label: ..., server_url: ...}"'
    ]
