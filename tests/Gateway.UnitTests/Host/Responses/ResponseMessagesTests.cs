using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Responses;
using Xunit;

namespace Gateway.UnitTests.Host.Responses;

public sealed class ResponseMessagesTests
{
    [Fact]
    public void Text_and_calls_up_to_the_first_output_are_one_message_and_outputs_follow_in_the_order_of_calls()
    {
        ResponseItem[] items =
        [
            Message("user", "a"), Call("c1"), Message("assistant", "said later"), Call("c2"), Output("c2", "two"), Message("user", "b"), Output("c1", "one"),
            Message("assistant", "x"), Message("assistant", "y"), Call("cut") with { IsIncomplete = true },
        ];
        Assert.Null(ResponseMessages.Check(items));
        var rendered = ResponseMessages.Render("i", items);
        Assert.Equal(
            ["developer i", "user a", "assistant said later [2]", "tool one c1", "tool two c2", "user b", "assistant x", "assistant y"],
            rendered.Messages.Select(message =>
                $"{message.Role} {message.Content}{(message.ToolCalls is { } calls ? $" [{calls.GetArrayLength()}]" : "")}{(message.ToolCallId is { } id ? $" {id}" : "")}"));
        Assert.Equal([-1, 0, 2, 6, 4, 5, 7, 8], rendered.Sources);
    }

    [Fact]
    public void Calls_and_outputs_pair_over_everything()
    {
        Assert.Contains("No tool call found for function call output with call_id c", ResponseMessages.Check([Output("c", "")])!.Message, StringComparison.Ordinal);
        Assert.Contains("No tool output found for function call c", ResponseMessages.Check([Call("c")])!.Message, StringComparison.Ordinal);
        Assert.NotNull(ResponseMessages.Check([Call("c"), Call("c"), Output("c", "")]));
        Assert.NotNull(ResponseMessages.Check([Call("c") with { IsIncomplete = true }, Output("c", "")]));
        Assert.Null(ResponseMessages.Check([Call("c"), Message("user", "a"), Output("c", "")]));
    }

    [Theory]
    [InlineData(100, 0, "system s|user a|assistant b|tool c|user d|assistant e|user f")]
    [InlineData(6, 1, "system s|assistant b|tool c|user d|assistant e|user f")]
    [InlineData(5, 3, "system s|user d|assistant e|user f")]
    [InlineData(3, 4, "system s|assistant e|user f")]
    [InlineData(2, 5, "system s|user f")]
    [InlineData(1, 5, "system s|user f")]
    public void The_oldest_messages_go_first_and_never_the_last_turn(int room, int gone, string rest)
    {
        var request = new ChatCompletionRequest
        {
            Model = "m",
            Messages = [.. "system s|user a|assistant b|tool c|user d|assistant e|user f".Split('|').Select(text => new ChatMessage { Role = text.Split(' ')[0], Content = text.Split(' ')[1] })],
        };
        var fitting = ResponseTruncation.Fit(request, keepsFirst: true, candidate => candidate.Messages.Count, room, out var dropped);
        Assert.Equal(rest, string.Join('|', fitting.Messages.Select(message => $"{message.Role} {message.Content}")));
        Assert.Equal(gone, dropped);
    }

    private static ResponseItem Message(string role, string text) => new(ResponseItemKind.Message, "") { Role = role, Parts = [new("input_text", text)] };

    private static ResponseItem Call(string id) => new(ResponseItemKind.Call, "") { CallId = id, Name = "f", Text = "{}" };

    private static ResponseItem Output(string id, string text) => new(ResponseItemKind.Output, "") { CallId = id, Text = text };
}
