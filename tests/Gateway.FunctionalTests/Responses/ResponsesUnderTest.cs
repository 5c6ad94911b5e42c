using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Xunit;

namespace Gateway.FunctionalTests.Responses;

/// <summary>An event of a response's stream.</summary>
internal sealed record ResponseEvent(string Type, JsonElement Data);

/// <summary>Calls that the tests of responses have in common.</summary>
internal static class ResponsesUnderTest
{
    public const string Weather = """{"type":"function","name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}""";

    /// <summary>Posts a creation with further members.</summary>
    public static Task<HttpResponseMessage> RespondAsync(this GatewayUnderTest gateway, string input = "\"Hi\"", string more = "") =>
        gateway.PostAsync("/v1/responses", $$"""{"model":"starter","input":{{input}}{{more}}}""");

    /// <summary>Creates a response that must succeed.</summary>
    public static async Task<JsonElement> CreateAsync(this GatewayUnderTest gateway, string input = "\"Hi\"", string more = "")
    {
        using var response = await gateway.RespondAsync(input, more);
        return await GatewayUnderTest.ReadAsync(response);
    }

    public static string Id(this JsonElement response) => response.GetProperty("id").GetString()!;

    /// <summary>Reads a whole stream and checks what holds for every one: event lines, numbers without gaps, no end mark.</summary>
    public static async Task<IReadOnlyList<ResponseEvent>> ReadEventsAsync(HttpResponseMessage response, string seen = "")
    {
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        var text = seen + await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.DoesNotContain("[DONE]", text, StringComparison.Ordinal);
        var events = new List<ResponseEvent>();
        foreach (var frame in text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(frame => !frame.StartsWith(':')))
        {
            var lines = frame.Split('\n');
            Assert.Equal(2, lines.Length);
            var data = JsonDocument.Parse(lines[1]["data: ".Length..]).RootElement;
            Assert.Equal($"event: {data.GetProperty("type").GetString()}", lines[0]);
            Assert.Equal(events.Count, data.GetProperty("sequence_number").GetInt32());
            events.Add(new(data.GetProperty("type").GetString()!, data));
        }

        return events;
    }

    /// <summary>Streams a response to its end.</summary>
    public static async Task<IReadOnlyList<ResponseEvent>> StreamAsync(this GatewayUnderTest gateway, string input = "\"Hi\"", string more = "")
    {
        using var response = await gateway.RespondAsync(input, ""","stream":true""" + more);
        return await ReadEventsAsync(response);
    }

    /// <summary>The JSON with ids and times replaced, for comparison as a whole.</summary>
    public static string Normal(JsonElement element) => System.Text.RegularExpressions.Regex.Replace(
        System.Text.RegularExpressions.Regex.Replace(
            element.GetRawText(), "(resp_|msg_|fc_)[0-9a-f]{40}", "$1", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1)),
        "(\"(created|completed)_at\":)[0-9]+", "${1}1", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1));
}
