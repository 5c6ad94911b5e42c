using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.LoadTests.FrontDoor;

/// <summary>One keep-alive connection that sends a request made beforehand and reads the reply; blocking, one caller, nothing allocated per request.</summary>
internal sealed class LoadConnection : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[256 << 10];
    private int _filled;

    /// <summary>Connects.</summary>
    public LoadConnection(int port) => _socket.Connect(new IPEndPoint(IPAddress.Loopback, port));

    /// <summary>A chat request of about 1 KB, head and body.</summary>
    public static byte[] Request(int port, string model, bool stream)
    {
        var content = new string('q', 900);
        var body = $$"""{"model":"{{model}}","messages":[{"role":"user","content":"{{content}}"}],"temperature":0,"max_tokens":64,"stream":{{(stream ? "true" : "false")}}}""";
        return Encoding.UTF8.GetBytes(
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    }

    /// <summary>Sends and reads the whole reply; returns the timestamp of the first byte of its body.</summary>
    /// <exception cref="InvalidOperationException">The reply is not a 200, or breaks off.</exception>
    public long Exchange(byte[] request)
    {
        _socket.Send(request);
        _filled = 0;
        int head;
        while ((head = _buffer.AsSpan(0, _filled).IndexOf("\r\n\r\n"u8)) < 0)
        {
            Receive();
        }

        if (!_buffer.AsSpan(0, head).StartsWith("HTTP/1.1 200 "u8))
        {
            throw new InvalidOperationException(Encoding.UTF8.GetString(_buffer, 0, _filled));
        }

        head += 4;
        while (_filled == head)
        {
            Receive();
        }

        var first = Stopwatch.GetTimestamp();
        var header = _buffer.AsSpan(0, head).IndexOf("Content-Length: "u8);
        if (header >= 0 && Utf8Parser.TryParse(_buffer.AsSpan(header + 16, head - header - 16), out int length, out _))
        {
            while (_filled < head + length)
            {
                Receive();
            }
        }
        else
        {
            while (!_buffer.AsSpan(0, _filled).EndsWith("\r\n0\r\n\r\n"u8))
            {
                Receive();
            }

            if (_buffer.AsSpan(0, _filled).LastIndexOf("data: [DONE]"u8) < 0)
            {
                throw new InvalidOperationException("A stream broke off.");
            }
        }

        return first;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private void Receive()
    {
        var read = _socket.Receive(_buffer.AsSpan(_filled));
        if (read == 0)
        {
            throw new InvalidOperationException("The server closed the connection in the middle of a reply.");
        }

        _filled += read;
    }
}
