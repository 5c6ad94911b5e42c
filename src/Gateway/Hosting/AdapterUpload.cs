using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Gateway.Api.Wire;
using Gateway.Model.Lora;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Gateway.Hosting;

/// <summary>What came with an upload besides the files.</summary>
public sealed record UploadFields(string? Name, string? Reason);

/// <summary>
/// Receives the files of an adapter into a folder, as parts of a form or as a tar: streamed to disk, within limits of size and
/// number, and no path, link or pickle of the sender's choice. Used for one upload.
/// </summary>
public sealed class AdapterUpload(string folder)
{
    private const int MaximumEntries = 64;
    private const int MaximumFieldBytes = 4096;
    private const long MaximumTextBytes = 32 << 20;
    private const long RoomForOtherFiles = 64 << 20;
    private static readonly long MaximumBytes = new AdapterLimits().MaximumBytes + RoomForOtherFiles;
    private static readonly string[] KeptExtensions = [".safetensors", ".json", ".jinja"];
    private static readonly string[] PickleExtensions = [".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"];
    private readonly HashSet<string> _received = new(StringComparer.Ordinal);
    private string? _parent;
    private long _left = MaximumBytes;
    private int _entries;
    private ApiError? _error;

    /// <summary>Receives the body of <paramref name="request"/>: the fields, or the first thing wrong with it.</summary>
    /// <exception cref="IOException">The disk takes no more, or the sender went away.</exception>
    public async Task<(UploadFields? Fields, ApiError? Error)> ReceiveAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.HttpContext.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = MaximumBytes;
        }

        Directory.CreateDirectory(folder);
        var type = MediaTypeHeaderValue.TryParse(request.ContentType, out var parsed) ? parsed : null;
        UploadFields? fields = new(null, null);
        try
        {
            switch (type?.MediaType.Value?.ToLowerInvariant())
            {
                case "multipart/form-data" when HeaderUtilities.RemoveQuotes(type.Boundary).Value is { Length: > 0 } boundary:
                    fields = await ReceiveFormAsync(new MultipartReader(boundary, request.Body), cancellationToken);
                    break;
                case "application/x-tar" or "application/tar":
                    await ReceiveTarAsync(request.Body, cancellationToken);
                    break;
                case "application/gzip" or "application/x-gzip" or "application/x-gtar":
                    await using (var unpacked = new GZipStream(request.Body, CompressionMode.Decompress, leaveOpen: true))
                    {
                        await ReceiveTarAsync(unpacked, cancellationToken);
                    }

                    break;
                default:
                    _error = ApiError.UnsupportedUploadType();
                    break;
            }
        }
        catch (Exception failure) when (failure is InvalidDataException or EndOfStreamException or FormatException)
        {
            // What the readers say of a broken archive or form.
            _error ??= ApiError.InvalidUpload("the archive or form is broken.");
        }

        return _error is null ? (fields, null) : (null, _error);
    }

    private async Task<UploadFields> ReceiveFormAsync(MultipartReader form, CancellationToken cancellationToken)
    {
        var fields = new UploadFields(null, null);
        while (_error is null && await form.ReadNextSectionAsync(cancellationToken) is { } section)
        {
            if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition))
            {
                _error = ApiError.InvalidUpload("a part has no Content-Disposition.");
            }
            else if (disposition.FileName.HasValue || disposition.FileNameStar.HasValue)
            {
                var name = disposition.FileNameStar.HasValue ? disposition.FileNameStar.Value : HeaderUtilities.RemoveQuotes(disposition.FileName).Value;
                await TakeAsync(name ?? "", section.Body, cancellationToken);
            }
            else
            {
                fields = await ReadFieldAsync(HeaderUtilities.RemoveQuotes(disposition.Name).Value, section.Body, fields, cancellationToken);
            }
        }

        return fields;
    }

    private async Task<UploadFields> ReadFieldAsync(string? name, Stream body, UploadFields fields, CancellationToken cancellationToken)
    {
        var buffer = new byte[MaximumFieldBytes + 1];
        var count = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        if (count > MaximumFieldBytes)
        {
            _error = ApiError.InvalidUpload($"the field '{name}' is longer than {MaximumFieldBytes} bytes.");
            return fields;
        }

        var text = Encoding.UTF8.GetString(buffer, 0, count);
        switch (name)
        {
            case "name":
                return fields with { Name = text };
            case "reason":
                return fields with { Reason = text };
            default:
                _error = ApiError.UnknownParameter(name ?? "");
                return fields;
        }
    }

    private async Task ReceiveTarAsync(Stream body, CancellationToken cancellationToken)
    {
        await using var tar = new TarReader(body, leaveOpen: true);
        while (_error is null && await tar.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
        {
            switch (entry.EntryType)
            {
                case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                    await TakeAsync(entry.Name, entry.DataStream ?? Stream.Null, cancellationToken);
                    break;
                case TarEntryType.Directory:
                    CountEntry();
                    break;
                case TarEntryType.GlobalExtendedAttributes:
                    break;
                default:
                    _error = ApiError.InvalidUpload($"'{entry.Name}' is a link or a device; pack regular files.");
                    break;
            }
        }
    }

    private async Task TakeAsync(string path, Stream content, CancellationToken cancellationToken)
    {
        CountEntry();
        if (_error is not null || NameIn(path) is not { } name)
        {
            return;
        }

        var extension = Path.GetExtension(name).ToLowerInvariant();
        if (PickleExtensions.Contains(extension, StringComparer.Ordinal))
        {
            _error = ApiError.InvalidAdapter($"'{name}' is a pickle file, which can run code when read; save the adapter as adapter_model.safetensors.");
        }
        else if (!KeptExtensions.Contains(extension, StringComparer.Ordinal))
        {
            // Read-mes and the like: nobody needs them here, but their bytes count.
            await CopyAsync(name, content, Stream.Null, long.MaxValue, cancellationToken);
        }
        else if (!_received.Add(name))
        {
            _error = ApiError.InvalidUpload($"'{name}' is there twice.");
        }
        else
        {
            await using var file = new FileStream(Path.Combine(folder, name), FileMode.CreateNew, FileAccess.Write);
            await CopyAsync(name, content, file, extension == ".safetensors" ? long.MaxValue : MaximumTextBytes, cancellationToken);
        }
    }

    private void CountEntry()
    {
        if (++_entries > MaximumEntries)
        {
            _error ??= ApiError.InvalidUpload($"it has more than {MaximumEntries} entries; send the adapter's files only.");
        }
    }

    /// <summary>The plain file name of an entry that lies at the top or in the one folder that all entries share; else an error.</summary>
    private string? NameIn(string path)
    {
        var parts = path.Split('/').Where(part => part is not ("" or ".")).ToArray();
        var isRooted = path.StartsWith('/') || path.Contains('\\', StringComparison.Ordinal) || path.Contains(':', StringComparison.Ordinal);
        if (isRooted || parts.Length is 0 or > 2 || parts.Any(part => part == ".." || part.Any(char.IsControl)))
        {
            _error = ApiError.InvalidUpload($"the path '{path}' does not lie in the adapter's own folder; send its files, or that one folder.");
            return null;
        }

        var parent = parts.Length == 2 ? parts[0] : "";
        _parent ??= parent;
        if (_parent != parent)
        {
            _error = ApiError.InvalidUpload($"'{path}' lies in another folder than the other files; send one adapter at a time.");
            return null;
        }

        return parts[^1];
    }

    private async Task CopyAsync(string name, Stream from, Stream to, long limit, CancellationToken cancellationToken)
    {
        var buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            while (await from.ReadAsync(buffer, cancellationToken) is > 0 and var count)
            {
                _left -= count;
                limit -= count;
                if (_left < 0 || limit < 0)
                {
                    _error = _left < 0 ? ApiError.RequestTooLarge(MaximumBytes) : ApiError.InvalidUpload($"'{name}' is larger than {MaximumTextBytes} bytes.");
                    return;
                }

                await to.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            }
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
