using System.Globalization;
using System.Text.RegularExpressions;

namespace Gateway.FunctionalTests.Api;

/// <summary>One request of an <c>http</c> block of docs/api.md, with what the page says of its reply.</summary>
/// <param name="Call">Method and path as written.</param>
/// <param name="Headers">Its own headers.</param>
/// <param name="Body">The body; empty for none, <c>&lt; FILE</c> for a file's content.</param>
/// <param name="Status">The stated status, or null for any of success.</param>
/// <param name="Name">What later examples call the reply, or null.</param>
internal sealed partial record ApiExample(string Call, IReadOnlyList<KeyValuePair<string, string>> Headers, string Body, int? Status, string? Name)
{
    /// <summary>Every example of a page, in order.</summary>
    public static IReadOnlyList<ApiExample> ReadAll(string page) =>
        [.. from block in Block().Matches(page) from request in Request().Matches(block.Groups["text"].Value) select Read(request.Value)];

    private static ApiExample Read(string text)
    {
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var headers = lines.Skip(1).TakeWhile(line => Header().IsMatch(line)).Select(line => line.Split(": ", 2)).Select(parts => KeyValuePair.Create(parts[0], parts[1])).ToList();
        var rest = lines.Skip(1 + headers.Count).ToList();
        var reply = rest.Find(line => line.StartsWith('→'))?.Split(' ') ?? [];
        return new(
            lines[0], headers, string.Join('\n', rest.Where(line => !line.StartsWith('→'))),
            reply.Length > 1 ? int.Parse(reply[1], CultureInfo.InvariantCulture) : null, reply.ElementAtOrDefault(2));
    }

    [GeneratedRegex("^```http\n(?<text>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Block();

    // From a line that begins with a method to the next one.
    [GeneratedRegex(@"^(GET|POST|PUT|DELETE) /.*?(?=^(GET|POST|PUT|DELETE) /|\z)", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Request();

    [GeneratedRegex(@"\A[A-Za-z-]+: ", RegexOptions.None, 1000)]
    private static partial Regex Header();
}
