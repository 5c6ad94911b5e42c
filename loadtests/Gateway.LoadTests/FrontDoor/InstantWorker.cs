using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.LoadTests.FrontDoor;

/// <summary>
/// A worker that answers at once with a reply made beforehand: what a measurement of the front door needs behind it. Speaks
/// the part of vLLM's dialect that the front door uses, on blocking sockets with a thread per connection, which costs the
/// machine least. Runs in a process of its own until it is killed.
/// </summary>
internal static class InstantWorker
{
    private const int ReplyTokens = 64;
    private const int MaximumRequestBytes = 64 << 10;
    private static readonly byte[] Whole = Reply("application/json", WholeBody());
    private static readonly byte[] Stream = StreamReply();
    private static readonly byte[] Empty = Reply("application/json", "{}");
    private static readonly byte[] Models = Reply(
        "application/json", """{"object":"list","data":[{"id":"instant","object":"model","created":1,"owned_by":"test","parent":null}]}""");

    /// <summary>Listens on a loopback port and never returns.</summary>
    public static void Run(int port)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        listener.Listen(512);
        while (true)
        {
            var client = listener.Accept();
            client.NoDelay = true;
            new Thread(() => Serve(client), maxStackSize: 256 << 10) { IsBackground = true }.Start();
        }
    }

    private static void Serve(Socket client)
    {
        using (client)
        {
            var buffer = new byte[MaximumRequestBytes];
            var filled = 0;
            try
            {
                while (true)
                {
                    int length;
                    while ((length = RequestLength(buffer.AsSpan(0, filled))) < 0 || filled < length)
                    {
                        var read = client.Receive(buffer.AsSpan(filled));
                        if (read == 0)
                        {
                            return;
                        }

                        filled += read;
                    }

                    client.Send(ReplyTo(buffer.AsSpan(0, length)));
                    buffer.AsSpan(length, filled - length).CopyTo(buffer);
                    filled -= length;
                }
            }
            catch (SocketException)
            {
                // The other side is gone.
            }
        }
    }

    /// <summary>Bytes of the first request, or -1 while its head is incomplete.</summary>
    private static int RequestLength(ReadOnlySpan<byte> bytes)
    {
        var head = bytes.IndexOf("\r\n\r\n"u8);
        if (head < 0)
        {
            return -1;
        }

        var header = bytes[..head].IndexOf("Content-Length: "u8);
        var body = header >= 0 && Utf8Parser.TryParse(bytes[(header + 16)..head], out int given, out _) ? given : 0;
        return head + 4 + body;
    }

    private static byte[] ReplyTo(ReadOnlySpan<byte> request) =>
        request.StartsWith("POST /v1/chat/completions"u8) ? request.IndexOf("\"stream\":true"u8) >= 0 ? Stream : Whole
        : request.StartsWith("GET /v1/models"u8) ? Models
        : Empty;

    private static byte[] Reply(string type, string body) => Encoding.UTF8.GetBytes(string.Create(
        CultureInfo.InvariantCulture, $"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"));

    private static string WholeBody() =>
        $$"""{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"instant","choices":[{"index":0,"message":{"role":"assistant","content":"{{string.Concat(Enumerable.Range(0, ReplyTokens).Select(Token))}}"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":200,"completion_tokens":{{ReplyTokens}},"total_tokens":{{200 + ReplyTokens}} } }""";

    // One HTTP chunk per event, as a server that flushes each token sends them.
    private static byte[] StreamReply()
    {
        var text = new StringBuilder("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        Event("""{"role":"assistant","content":""}""", "null");
        for (var i = 0; i < ReplyTokens; i++)
        {
            Event($$"""{"content":"{{Token(i)}}"}""", "null");
        }

        Event("{}", "\"stop\"");
        Chunk($$"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"instant","choices":[],"usage":{"prompt_tokens":200,"completion_tokens":{{ReplyTokens}},"total_tokens":{{200 + ReplyTokens}} } }""");
        Chunk("data: [DONE]");
        text.Append("0\r\n\r\n");
        return Encoding.UTF8.GetBytes(text.ToString());

        void Event(string delta, string reason) => Chunk(
            $$"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"instant","choices":[{"index":0,"delta":{{delta}},"logprobs":null,"finish_reason":{{reason}}}]}""");

        void Chunk(string line) => text.Append(CultureInfo.InvariantCulture, $"{line.Length + 2:x}\r\n{line}\n\n\r\n");
    }

    private static string Token(int i) => string.Create(CultureInfo.InvariantCulture, $" word{i % 10}");
}
