using System.Net;
using System.Text.Json;
using Gateway.Domain.Guards;

namespace Gateway.Guards;

/// <summary>
/// Asks classifiers elsewhere: <c>POST {"guard","stage","text"}</c>, answered by <c>{"action":"allow"|"flag"|"block"}</c>. Only
/// addresses that the operator has named are asked, without redirects and proxies, so that a contract cannot have the gateway
/// call whatever it reaches. Thread-safe.
/// </summary>
public sealed class GuardClassifier(IReadOnlyList<Uri> allowed, TimeProvider clock) : IDisposable
{
    private const int DefaultDeadlineMs = 500;
    private const int MaximumAnswerBytes = 64 << 10;

    private readonly HttpMessageInvoker _invoker = new(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        ActivityHeadersPropagator = null,
    });

    /// <summary>What a classifier says about a text, or what its rule says for when it does not answer.</summary>
    /// <param name="rule">A rule of the kind <see cref="GuardKind.Http"/>.</param>
    /// <param name="stage"><c>input</c> or <c>output</c>.</param>
    /// <param name="text">The whole text so far.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<GuardAction?> ClassifyAsync(GuardRule rule, string stage, string text, CancellationToken cancellationToken)
    {
        var url = new Uri(rule.Url!);
        if (!allowed.Any(address => Uri.Compare(address, url, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0))
        {
            return WhenSilent(rule);
        }

        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(rule.DeadlineMs ?? DefaultDeadlineMs), clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await AskAsync(rule, url, stage, text, linked.Token);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return WhenSilent(rule);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return WhenSilent(rule);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _invoker.Dispose();

    private static GuardAction? WhenSilent(GuardRule rule) => rule.FailOpen ? null : GuardAction.Block;

    private async Task<GuardAction?> AskAsync(GuardRule rule, Uri url, string stage, string text, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        await using (var writer = new Utf8JsonWriter(body))
        {
            writer.WriteStartObject();
            writer.WriteString("guard", rule.Id);
            writer.WriteString("stage", stage);
            writer.WriteString("text", text);
            writer.WriteEndObject();
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ByteArrayContent(body.ToArray()) };
        request.Content.Headers.ContentType = new("application/json");
        using var response = await _invoker.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return WhenSilent(rule);
        }

        await response.Content.LoadIntoBufferAsync(MaximumAnswerBytes, cancellationToken);
        using var answer = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
        return answer.RootElement.GetProperty("action").GetString() switch
        {
            "allow" => null,
            "flag" => GuardAction.Flag,

            // The rule says what becomes of what the classifier objects to.
            "block" => rule.Action,
            _ => WhenSilent(rule),
        };
    }
}
