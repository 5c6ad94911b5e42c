namespace Gateway.FrontDoor;

/// <summary>
/// Sends a request's body in one piece with its head. YARP hands a body on as a stream and sends the head before it looks at
/// the stream, which on the way to a worker is a packet, a system call and a wake-up more for each request. A request without
/// <see cref="Body"/> passes as it is. Thread-safe.
/// </summary>
internal sealed class WholeBodyHandler(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    /// <summary>The whole body, in JSON, which takes the place of the request's content.</summary>
    public static readonly HttpRequestOptionsKey<byte[]> Body = new("gateway.body");

    /// <inheritdoc/>
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.Options.TryGetValue(Body, out var body))
        {
            var whole = new ByteArrayContent(body);
            whole.Headers.TryAddWithoutValidation("Content-Type", "application/json");
            request.Content = whole;
        }

        return base.SendAsync(request, cancellationToken);
    }
}
