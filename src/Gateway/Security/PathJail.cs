namespace Gateway.Security;

/// <summary>Keeps paths that callers name below a folder that the operator owns.</summary>
public static class PathJail
{
    /// <summary>
    /// The real path of the folder <paramref name="relative"/> below <paramref name="root"/>, or null when it does not exist,
    /// leaves the root (also through a symbolic link), or is not a folder.
    /// </summary>
    public static string? ResolveFolder(string root, string relative)
    {
        if (string.IsNullOrWhiteSpace(relative) || relative.Contains('\0', StringComparison.Ordinal) || !Directory.Exists(root))
        {
            return null;
        }

        var jail = RealPath(Path.GetFullPath(root));
        var candidate = Path.GetFullPath(Path.Combine(jail, relative));
        if (!IsBelow(jail, candidate) || !Directory.Exists(candidate))
        {
            return null;
        }

        var real = RealPath(candidate);
        return IsBelow(jail, real) ? real : null;
    }

    /// <summary>True when <paramref name="file"/> is a regular file directly in <paramref name="folder"/>, not a link.</summary>
    public static bool IsRegularFile(string folder, string file)
    {
        var info = new FileInfo(Path.Combine(folder, file));
        return info.Exists && info.LinkTarget is null && !info.Attributes.HasFlag(FileAttributes.Device);
    }

    /// <summary>Resolves symbolic links in every component, because any of them may point outside.</summary>
    private static string RealPath(string path)
    {
        var root = Path.GetPathRoot(path)!;
        var real = root;
        foreach (var part in path[root.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            real = Directory.ResolveLinkTarget(real, returnFinalTarget: true)?.FullName ?? real;
        }

        return real;
    }

    private static bool IsBelow(string root, string path) =>
        path.StartsWith(root.EndsWith(Path.DirectorySeparatorChar) ? root : root + Path.DirectorySeparatorChar, StringComparison.Ordinal);
}
